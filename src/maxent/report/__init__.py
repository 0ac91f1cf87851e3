"""Figures and the statistics behind them."""
