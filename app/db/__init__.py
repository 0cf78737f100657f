"""Every line of SQL: tables, statements, migrations."""
