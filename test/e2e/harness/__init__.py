"""Real servers and the Sallyport binary, as Python values. Shared by the tests, the benchmark and the demo."""
