"""Networks, their packed parameters, and the optimiser."""
