"""Settings of each project, from its labeling config and the extra params of its ML backend.

Takes the contents of /setup requests, returns `ProjectSettings` or raises `BadProjectSettings`.
"""

from backend.projects.project_settings import DEFAULTS, ProjectSettings
from backend.projects.setup_registry import ProjectSetups, check_setup

__all__ = ["DEFAULTS", "ProjectSettings", "ProjectSetups", "check_setup"]
