"""``flask credits …``: thin commands, one file a group."""
