"""Worked examples with exact values, printed and drawn by `maxent tabular graph` and `maxent tabular spider`."""
