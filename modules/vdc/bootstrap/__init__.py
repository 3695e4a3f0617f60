"""From a node to the text that starts its agent; pure."""
