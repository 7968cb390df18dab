"""The public interface in Python."""
