"""Where records, journals and stubs are kept."""
