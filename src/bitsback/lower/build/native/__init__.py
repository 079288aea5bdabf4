"""Native libraries: the same program as one compiled function, for engines that need no interpreter of graphs."""
