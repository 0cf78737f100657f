"""Plain Python words of the service: tasks, parameters, results, errors. No framework."""
