"""The pieces of the terminal report: code frames, findings, the module tree, the chain-rule table."""
