"""Plans and their durable execution. Knows no operation."""
