"""One thin file a command: parse, call, hand to a reporter."""
