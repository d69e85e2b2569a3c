"""The protocol that pays once, without I/O, and the one driver that performs its effects."""
