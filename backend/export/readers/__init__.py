"""Files of a data set come in, the images that they describe go out, with functions that read their regions."""
