"""A store that speaks the protocol of S3, as far as recordings need it; it refuses a request with a wrong signature."""
