/* The table itself. The order is the one of MappingsOption, of `weir config print` and of docs/configuration.md. */
#include "config/mappings_table.h"

#include "config/table_macros.h"

#define LEFT_OUT " Left out: where the built-in mapping looks."
#define PATHS(name, help)                                                                                              \
    {                                                                                                                  \
        name, OPTION_TEXT, "", NO_LIMITS, NO_CHOICES, help, OPTION_LIST, 0                                             \
    }
#define DEFAULT(name, help)                                                                                            \
    {                                                                                                                  \
        name, OPTION_TEXT, "", NO_LIMITS, NO_CHOICES, help, NO_MARKS                                                   \
    }

/* clang-format off */
static const Option table[MAPPINGS_OPTION_COUNT] = {
    /* name, type, default, least, most, choices, help, marks and kinds */
    [MAPPINGS_CLIENT] = PATHS("client", "Where the client is, the record's `sourceId` and `destinationId`: paths such as `payload.client`, of which the first "
        "at which there is something is taken." LEFT_OUT),
    [MAPPINGS_METRIC] = PATHS("metric", "Where the metric is, the record's `reference`." LEFT_OUT),
    [MAPPINGS_AMOUNT] = PATHS("amount", "Where the amount is, the record's `value` and, by its sign, `type`." LEFT_OUT),
    [MAPPINGS_TIME] = PATHS("time", "Where the time is." LEFT_OUT),
    [MAPPINGS_UNIT] = PATHS("unit", "Where the unit is. Without one it is the currency that the amount names, else the default." LEFT_OUT),
    [MAPPINGS_TYPE] = PATHS("type", "Where it says whether the amount is added or taken away, when the sign does not: `positive`, `credit`, `in` …, `negative`, "
        "`debit`, `out` and others."),
    [MAPPINGS_ID] = PATHS("id", "Where the event's id is, if the client has ids: then client and id alone say whether two events are the same."),
    [MAPPINGS_EXTRA] = PATHS("extra", "Fields that tell events apart beside client, metric, amount, unit and time."),

    [MAPPINGS_DEFAULT_CLIENT] = DEFAULT("default_client", "The client of an event that has none."),
    [MAPPINGS_DEFAULT_METRIC] = DEFAULT("default_metric", "The metric of an event that has none."),
    [MAPPINGS_DEFAULT_AMOUNT] = DEFAULT("default_amount", "The amount of an event that has none, as an event would have it: `1`."),
    [MAPPINGS_DEFAULT_TIME] = DEFAULT("default_time", "The time of an event that has none, as an event would have it."),
    [MAPPINGS_DEFAULT_UNIT] = DEFAULT("default_unit", "The unit of an event that has none, and whose amount names no currency. Left out: `none`."),
    [MAPPINGS_DEFAULT_TYPE] = DEFAULT("default_type", "The type of an event that has none and no minus. Left out: `positive`."),

    [MAPPINGS_AMOUNTS] = {"amounts", OPTION_CHOICE, "unambiguous", NO_LIMITS, CHOICES("unambiguous", "point", "comma"),
        "How numbers with separators are meant. `point`: `1,200.50`, the point is the decimal one. `comma`: `1.200,50`. `unambiguous`: both, as far as "
        "they are clear; `1,200` and `1.200` are refused.", NO_MARKS},
    [MAPPINGS_DATES] = {"dates", OPTION_CHOICE, "year_first", NO_LIMITS, CHOICES("year_first", "day_first", "month_first"),
        "How dates such as `01/02/2024` are meant; `year_first` refuses them. Dates that begin with the year are taken in any case.", NO_MARKS},
    [MAPPINGS_EPOCH] = {"epoch", OPTION_CHOICE, "by_size", NO_LIMITS, CHOICES("by_size", "seconds", "milliseconds", "microseconds"),
        "What a time that is a bare number counts since 1970. `by_size`: seconds below 10¹¹, milliseconds below 10¹⁴, else microseconds; fewer than nine digits are refused.", NO_MARKS},
    [MAPPINGS_CLIENTS] = {"clients", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "Clients whose events it is for when a request names no mapping. The built-in paths find the client for that.", OPTION_LIST | OPTION_MANY, 0},
};
/* clang-format on */

const OptionGroup mappings_group = {
    .prefix = "mappings",
    .table = {table, MAPPINGS_OPTION_COUNT},
    .members_max = 64,
    .help = "A mapping says where the parts of a record are in a client's events, and how amounts and times are "
            "written there. There can be 64 of them, each with a name of its own; the one called `builtin` is always "
            "there. docs/events.md has the rules; `weir mapping test FILE` shows what a mapping makes of examples.",
    .example = "mappings:\n"
               "  shop:\n"
               "    clients: [shop-de, shop-at]\n"
               "    metric: order.kind\n"
               "    amount: [order.total, order.sum]\n"
               "    time: order.placed\n"
               "    id: order.number\n"
               "    default_unit: EUR\n"
               "    amounts: comma\n"
               "    dates: day_first\n",
};
