"""The secrets domain: which secrets there are, by name, and the dotenv files that some of them come from."""
