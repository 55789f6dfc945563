"""Sell credits."""
