# Dataframes and SQL that follow each other: change a number and run its cell, and all below it follows.
#
#     pip install 'callboard[data]' duckdb polars pyarrow
#     callboard run examples/sql.py --set least=40

# %% [markdown]
# # SQL
# A query reads dataframes by their names, and tables that other cells make. Each of these links cells.

# %% setup
import polars as pl

import callboard as cb

# %% least
least = cb.ui.slider(0, 100, 1, value=20, label="least precipitation in mm")
least

# %% weather
weather = pl.DataFrame(
    {
        "city": ["Bergen", "Bergen", "Cairo", "Cairo", "Lima", "Lima"],
        "month": ["June", "July", "June", "July", "June", "July"],
        "precipitation": [132.0, 148.0, 0.1, 0.0, 0.6, 40.9],
    }
)

# %% cities
# It reads the dataframe, and makes a table that is dropped when this cell runs again.
cb.sql("""
    CREATE TABLE cities AS
    SELECT city, sum(precipitation) AS total FROM weather GROUP BY city
""")

# %% wet
# It reads the table and the slider. A query that takes long ends when it is interrupted.
wet = cb.sql(f"SELECT * FROM cities WHERE total >= {least.value} ORDER BY total DESC")

# %% driest
f"{wet.height} of {weather['city'].n_unique()} cities have at least {least.value} mm"

# %% archive
# Any other engine is named by the variable that holds it.
import sqlite3

archive = sqlite3.connect(":memory:")
archive.execute("CREATE TABLE records (city TEXT, total REAL)")
archive.executemany("INSERT INTO records VALUES (?, ?)", [("Bergen", 411.0), ("Cairo", 12.0)])
archive.commit()

# %% records
records = cb.sql("SELECT * FROM records ORDER BY total", engine=archive, format="native")
