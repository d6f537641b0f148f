"""What belongs to one project: its settings, from the labeling config and the ML backend's extra params.

What /setup says comes in, `ProjectSettings` goes out, or `BadProjectSettings`.
"""

from backend.projects.project_settings import DEFAULTS, ProjectSettings
from backend.projects.setup_registry import ProjectSetups, check_setup

__all__ = ["DEFAULTS", "ProjectSettings", "ProjectSetups", "check_setup"]
