"""A real private cloud on one machine, for trying and testing. Not part of the product, which never imports it."""
