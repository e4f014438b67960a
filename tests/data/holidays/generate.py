#!/usr/bin/env python3
"""Writes france.txt: the public holidays that independent packages compute, one line a year.

    pip install jours-feries-france==0.7.0 holidays==0.109
    python3 generate.py > france.txt

jours-feries-france is the French administration's (Etalab). It has only the common days for the Pacific territories,
so what those have of their own comes from `holidays`.
"""

import holidays
from jours_feries_france import JoursFeries

CALENDARS = {
    "FR": "Métropole",
    "FR-alsace-moselle": "Alsace-Moselle",
    "FR-GP": "Guadeloupe",
    "FR-MQ": "Martinique",
    "FR-GF": "Guyane",
    "FR-RE": "La Réunion",
    "FR-YT": "Mayotte",
    "FR-BL": "Saint-Barthélémy",
    "FR-MF": "Saint-Martin",
    "FR-PM": "Saint-Pierre-et-Miquelon",
    "FR-NC": "Nouvelle-Calédonie",
    "FR-PF": "Polynésie Française",
    "FR-WF": "Wallis-et-Futuna",
}

print("# Written by generate.py: for each year the common days (month and day), then what each calendar adds to them.")
for year in range(1990, 2061):
    common = set(JoursFeries.for_year(year, "Métropole").values())
    parts = [("FR", common)]
    for name, zone in list(CALENDARS.items())[1:]:
        days = set(JoursFeries.for_year(year, zone).values())
        if name in ("FR-NC", "FR-PF", "FR-WF"):
            own = holidays.France(subdiv=name[3:], years=year)
            days |= set(own) - set(holidays.France(years=year))
        parts.append((name, days - common))
    print(year, *(" ".join([name, *(day.strftime("%m%d") for day in sorted(days))]) for name, days in parts))
