"""What several tests share; import it as ``tests.support.name``."""
