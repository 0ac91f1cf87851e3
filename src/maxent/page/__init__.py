"""Pages of results: figures in SVG, and one HTML file that needs no other."""
