"""Where requests go: providers behind one protocol, with every failure as a typed fault."""
