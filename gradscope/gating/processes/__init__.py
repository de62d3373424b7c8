"""The targets of a gate run, each in processes of its own, held to limits; nothing is left of them."""
