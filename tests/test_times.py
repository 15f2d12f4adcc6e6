from __future__ import annotations

import datetime as dt

import cftime
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datavore_widgets.errors import InvalidValue, NoData
from datavore_widgets.protocol.times import (
    WHOLE_LAPSE,
    Date,
    Lapse,
    Stamp,
    TimeAxis,
    canonical_calendar,
    date_of_day,
    day_number,
    label_from_millis,
    label_from_parts,
    millis_from_label,
    parts_from_label,
)

CALENDARS = ("standard", "proleptic_gregorian", "noleap", "all_leap", "360_day", "julian")


def axis(*labels: str, calendar: str = "standard") -> TimeAxis:
    return TimeAxis(np.array([Date(label).low for label in labels]), calendar)


@pytest.mark.parametrize(
    ("spelling", "digits"),
    [
        ("20120815125959", "20120815125959"),
        (20120815, "20120815"),
        ("2012", "2012"),
        ("2012-08-15", "20120815"),
        ("2012-08-15T12:30", "20120815123000"),
        ("2012-08-15 12:30:05Z", "20120815123005"),
        ("2012-08-15T12:00:00+02:00", "20120815100000"),
        ("2012-08-15T12:00:00.25Z", "20120815120000250"),
        (dt.datetime(2012, 8, 15, 12), "20120815120000"),
        (dt.datetime(2012, 8, 15, 12, tzinfo=dt.timezone(dt.timedelta(hours=-3))), "20120815150000"),
        (dt.date(1900, 12, 5), "19001205000000"),
        (np.datetime64("2012-08-15T12"), "20120815120000"),
        (cftime.Datetime360Day(2015, 2, 30), "20150230000000"),
        (dt.datetime(50, 1, 1), "00500101000000"),
    ],
)
def test_dates_in_every_spelling(spelling: object, digits: str) -> None:
    assert Date.parse(spelling) == Date(digits)


@pytest.mark.parametrize(
    "wrong", ["yesterday", "20121315", "2012081525", "201", "", None, True, 3.5, np.datetime64("NaT")]
)
def test_a_wrong_date_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidValue):
        Date.parse(wrong)


def test_a_lapse_in_every_documented_spelling() -> None:
    for spelling in ("19500917,21000917", "19500917, 21000917", [19500917, 21000917], ("19500917", "21000917")):
        assert Lapse.parse(spelling) == WHOLE_LAPSE
    dates = [dt.date(1900, 12, 5), dt.date(2100, 12, 5)]
    assert Lapse.parse(dates).to_text() == "19001205000000,21001205000000"
    with pytest.raises(InvalidValue, match="after its end"):
        Lapse.parse("2013,2012")
    with pytest.raises(InvalidValue, match="two dates"):
        Lapse.parse("2013")


def test_a_prefix_at_the_end_reaches_to_its_last_moment() -> None:
    times = axis("20111231235959", "20120101", "20121231235959", "20130101")
    assert times.within(Lapse.parse("2012,2012")) == slice(1, 3)
    assert times.within(Lapse.parse("20111231235959,20130101")) == slice(0, 4)


def test_exactly_one_time_in_the_interval_is_that_one() -> None:
    times = axis("20120815120000", "20120816", "20120915")
    assert times.find(Date("201209")) == 2
    assert times.find(Date("20120815")) == 0


def test_several_times_are_listed_and_nearest_decides() -> None:
    times = axis("20120815120000", "20120816", "20120915")
    with pytest.raises(InvalidValue, match="2 times lie in 201208: 2012-08-15 12:00 Z, 2012-08-16 00:00 Z"):
        times.find(Date("201208"))
    assert times.find(Date("201208"), nearest=15 * 86400) == 0
    many = TimeAxis(label_from_millis(np.arange(40) * 3_600_000))
    with pytest.raises(InvalidValue, match="and 4 more"):
        many.find(Date("19700101"))


def test_a_miss_names_the_closest_times() -> None:
    times = axis("2012", "2013", "2014")
    with pytest.raises(NoData, match="2013-01-01 00:00 Z") as caught:
        times.find(Date("201306"))
    assert "2014-01-01 00:00 Z" in caught.value.suggestions
    with pytest.raises(NoData, match="within 60 s"):
        times.find(Date("201306"), nearest=60)
    with pytest.raises(NoData, match="there are no times"):
        axis().find(Date("2012"), nearest=60)


def test_ties_take_the_earlier() -> None:
    times = axis("20120101000000", "20120101020000")
    assert times.find(Date("20120101010000"), nearest=3600) == 0
    with pytest.raises(NoData):
        times.find(Date("20120101010000"), nearest=3599)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_labels_and_milliseconds_go_there_and_back(millis: int) -> None:
    assert int(millis_from_label(label_from_millis(millis))) == millis


@pytest.mark.parametrize("calendar", CALENDARS)
def test_distances_are_counted_in_the_calendars_own_days(calendar: str) -> None:
    days = range(0, 250_000, 977)
    dates = [cftime.num2date(day, "days since 1400-01-01", calendar=calendar) for day in days]
    labels = label_from_parts([d.year for d in dates], [d.month for d in dates], [d.day for d in dates])
    times = TimeAxis(labels, calendar)
    for position in (0, 50, 101):
        # One second short of the true distance misses, the true distance finds.
        target = Date.from_label(int(labels[position + 1]))
        only = TimeAxis(labels[: position + 1], calendar)
        assert only.find(target, nearest=977 * 86400) == position
        with pytest.raises(NoData):
            only.find(target, nearest=977 * 86400 - 1)
    assert len(times) == len(days)


def test_the_thirtieth_of_february_is_kept() -> None:
    times = axis("20150229", "20150230", "20150301", calendar="360_day")
    assert times.find(Date("20150230")) == 1
    assert Stamp(int(times.labels[1]), "360_day").text == "2015-02-30 00:00 Z"
    starts, stamps = times.group("yyyy-MM")
    assert starts.tolist() == [0, 2]
    assert [Stamp(int(s)).iso for s in stamps] == ["2015-02-01T00:00:00Z", "2015-03-01T00:00:00Z"]


@pytest.mark.parametrize(("groupby", "count"), [("yyyy", 2), ("yyyy-MM", 13), ("yyyy-MM-dd", 366 + 15), (None, 381)])
def test_groups_are_stamped_with_their_start(groupby: str | None, count: int) -> None:
    start = np.datetime64("2012-01-01T12").astype("M8[ms]").astype(np.int64)
    times = TimeAxis(label_from_millis(start + np.arange(381) * 86_400_000))
    starts, stamps = times.group(groupby)
    assert len(starts) == len(stamps) == count
    assert stamps[0] == (Date("2012").low if groupby else Date("20120101120000").low)
    with pytest.raises(InvalidValue, match="yyyy-MM"):
        times.group("month")


def test_calendar_names_of_cf_are_understood() -> None:
    assert canonical_calendar("365_day") == "noleap"
    assert canonical_calendar("Gregorian") == "standard"
    with pytest.raises(InvalidValue, match="360_day"):
        canonical_calendar("lunar")


def test_parts_of_a_label() -> None:
    label = label_from_parts(2012, 8, 15, 12, 30, 5, 250)
    assert [int(p) for p in parts_from_label(label)] == [2012, 8, 15, 12, 30, 5, 250]
    assert Stamp(int(label)).iso == "2012-08-15T12:30:05.250Z"
    assert Stamp(int(label)).text == "2012-08-15 12:30:05.250 Z"
    assert Date.parse(Stamp(int(label)).iso).low == label


@pytest.mark.parametrize("calendar", CALENDARS)
def test_days_of_every_calendar_are_counted_one_by_one_and_found_again(calendar):
    year, month, day = date_of_day(day_number(1, 1, 1, calendar) + np.arange(700_000), calendar)
    number = day_number(year, month, day, calendar)
    assert (np.diff(number) == 1).all()
    for place in (0, 59, 60, 365, 366, 150_000, 577_735, 577_736, 577_740, 699_999):
        start = cftime.datetime(1, 1, 1, calendar=calendar)
        there = start + dt.timedelta(days=place)
        assert (there.year, there.month, there.day) == (year[place], month[place], day[place])


def test_the_standard_calendar_leaves_out_ten_days_of_1582():
    last = int(day_number(1582, 10, 4, "standard"))
    assert [int(part) for part in date_of_day(last + 1, "standard")] == [1582, 10, 15]
