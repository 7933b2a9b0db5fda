"""The gateway: the server that events flow through. The upper layer, over ``registry``."""
