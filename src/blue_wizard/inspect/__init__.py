"""Health inspection: what is about to break, anywhere in the platform? It only reads."""
