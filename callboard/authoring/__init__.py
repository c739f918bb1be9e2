"""What notebook code calls, apart from elements. Light: importing it loads no kernel."""
