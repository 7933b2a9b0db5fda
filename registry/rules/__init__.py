"""``buf.validate`` rules at registration: which are refused, for being wrong or for what they could cost."""
