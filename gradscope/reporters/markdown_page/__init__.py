"""The Markdown that GitHub and GitLab show: what is written in it, and how text becomes harmless in it."""
