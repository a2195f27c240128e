"""Stage `report`: one table and one page of pictures from all scores."""
