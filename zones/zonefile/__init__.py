"""Zone files (RFC 1035, section 5): reading them safely, comparing them with what is there, writing them."""
