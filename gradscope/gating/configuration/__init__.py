"""`[tool.gradscope.gate]` of a configuration file, read into the settings of a gate. No torch here."""
