"""The TCI dimensions, 25 personas, 11 questions and matching natural sentences, as data."""
