"""The update as one function: compiled, recorded as a CUDA graph, or eager; the learner, devices and random streams."""
