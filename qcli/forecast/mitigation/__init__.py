"""Error mitigation as construct → execute → combine, and what it is worth on a model before it is paid for."""
