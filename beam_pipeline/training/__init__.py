"""Build modules, train them in two ways, and print what the training achieved."""
