"""The environments that come with maxent."""
