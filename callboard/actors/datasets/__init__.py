"""The datasets domain: what dataframes and databases hold, summarised without holding up a cell or a slider."""
