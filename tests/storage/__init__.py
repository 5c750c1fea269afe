"""A storage site that is played: a Ceph cluster and its hosts with disks, which hold real state and answer real commands."""
