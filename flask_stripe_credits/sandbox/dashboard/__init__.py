"""The side of the merchant and the banks, in a browser: what happened, and buttons for more."""
