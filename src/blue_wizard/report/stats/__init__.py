"""Reports of `blue-wizard stats`: one model, and one file a format that registers itself by its suffix."""
