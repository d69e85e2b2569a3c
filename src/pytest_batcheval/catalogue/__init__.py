"""The TCI dimensions, the 25 personas, the 11 questions and natural sentences for them, as data."""
