//! Anti-replay window (RFC 4303 s3.4.3 and A2, ring of words as in RFC 6479).
