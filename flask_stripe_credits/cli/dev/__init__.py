"""``flask credits dev``: the app and a sandbox, set up and ready to buy, in one command."""
