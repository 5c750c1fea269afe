"""The ways to the outside: SSH, OpenStack, Ceph, NBD. No decisions are made here."""
