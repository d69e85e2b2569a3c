"""Backends: providers behind one protocol, with every failed call as a typed `ProviderFailure`."""
