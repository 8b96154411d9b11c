"""Small pictures of images, drawn on demand in processes of their own and kept in the bucket."""
