"""What the platform offers everywhere: locations, currencies, languages, keys, roles (contract §5.1, §6.1, §8.3)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Location:
    """A geography in which environments can be created."""

    code: str
    display_name: str
    regions: tuple[str, ...]


LOCATIONS = {
    "unitedstates": Location("NA", "United States", ("eastus", "westus")),
    "unitedstatesfirstrelease": Location("NA", "Preview (United States)", ("eastus", "westus")),
    "europe": Location("EMEA", "Europe", ("westeurope", "northeurope")),
    "unitedkingdom": Location("GBR", "United Kingdom", ("uksouth", "ukwest")),
    "australia": Location("OCE", "Australia", ("australiaeast", "australiasoutheast")),
    "asia": Location("APAC", "Asia", ("eastasia", "southeastasia")),
    "canada": Location("CAN", "Canada", ("canadacentral", "canadaeast")),
    "france": Location("FRA", "France", ("francecentral", "francesouth")),
    "germany": Location("GER", "Germany", ("germanynorth", "germanywestcentral")),
    "switzerland": Location("CHE", "Switzerland", ("switzerlandnorth", "switzerlandwest")),
    "india": Location("IND", "India", ("centralindia", "southindia")),
    "japan": Location("JPN", "Japan", ("japaneast", "japanwest")),
    "korea": Location("KOR", "Korea", ("koreacentral", "koreasouth")),
    "norway": Location("NOR", "Norway", ("norwayeast", "norwaywest")),
    "sweden": Location("SWE", "Sweden", ("swedencentral",)),
    "southamerica": Location("SAM", "South America", ("brazilsouth",)),
    "southafrica": Location("ZAF", "South Africa", ("southafricanorth", "southafricawest")),
    "unitedarabemirates": Location("UAE", "United Arab Emirates", ("uaenorth", "uaecentral")),
}

CURRENCIES = (
    "AED", "AUD", "BGN", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CZK", "DKK", "EGP", "EUR", "GBP",
    "HKD", "HUF", "IDR", "ILS", "INR", "ISK", "JPY", "KES", "KRW", "KWD", "MAD", "MXN", "MYR", "NGN",
    "NOK", "NZD", "PEN", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB", "SAR", "SEK", "SGD", "THB",
    "TND", "TRY", "TWD", "UAH", "USD", "VND", "ZAR",
)  # fmt: skip

LANGUAGES = {
    1025: "Arabic", 1026: "Bulgarian", 1027: "Catalan", 1028: "Chinese (Traditional)", 1029: "Czech", 1030: "Danish",
    1031: "German", 1032: "Greek", 1033: "English", 1035: "Finnish", 1036: "French", 1037: "Hebrew", 1038: "Hungarian",
    1040: "Italian", 1041: "Japanese", 1042: "Korean", 1043: "Dutch", 1044: "Norwegian", 1045: "Polish",
    1046: "Portuguese (Brazil)", 1048: "Romanian", 1049: "Russian", 1050: "Croatian", 1051: "Slovak", 1053: "Swedish",
    1054: "Thai", 1055: "Turkish", 1057: "Indonesian", 1058: "Ukrainian", 1060: "Slovenian", 1061: "Estonian",
    1062: "Latvian", 1063: "Lithuanian", 1066: "Vietnamese", 1069: "Basque", 1081: "Hindi", 1086: "Malay",
    1087: "Kazakh", 1110: "Galician", 2052: "Chinese (Simplified)", 2070: "Portuguese (Portugal)",
    2074: "Serbian (Latin)", 3076: "Chinese (Hong Kong)", 3082: "Spanish", 3098: "Serbian (Cyrillic)",
}  # fmt: skip

BOOLEAN = frozenset({"true", "false"})
NUMBER: frozenset[str] = frozenset()  # a whole number, -1 for none
TEXT = None

# extendedSettings: the accepted values, None for free text (contract §6.1)
GOVERNANCE_SETTINGS: dict[str, frozenset[str] | None] = {
    "excludeEnvironmentFromAnalysis": BOOLEAN,
    "includeOnHomepageInsights": BOOLEAN,
    "isGroupSharingDisabled": BOOLEAN,
    "limitSharingMode": frozenset({"noLimit", "excludeSharingToSecurityGroups"}),
    "maxLimitUserSharing": NUMBER,
    "solutionCheckerMode": frozenset({"none", "warn", "block"}),
    "solutionCheckerRuleOverrides": TEXT,
    "suppressValidationEmails": BOOLEAN,
    "disableAiGeneratedDescriptions": BOOLEAN,
    "solutionCloudFlows-limitSharingMode": frozenset({"noLimit", "disableSharing"}),
    "solutionCloudFlows-maxLimitUserSharing": NUMBER,
    "bot-authoringSharingDisabled": BOOLEAN,
    "bot-limitSharingMode": frozenset({"noLimit", "excludeSharingToSecurityGroups", "disableSharing"}),
    "bot-maxLimitUserSharing": NUMBER,
}

GOVERNANCE_DEFAULTS = {
    "excludeEnvironmentFromAnalysis": "false",
    "includeOnHomepageInsights": "false",
    "isGroupSharingDisabled": "false",
    "limitSharingMode": "noLimit",
    "maxLimitUserSharing": "-1",
    "solutionCheckerMode": "none",
    "solutionCheckerRuleOverrides": "",
    "suppressValidationEmails": "true",
    "disableAiGeneratedDescriptions": "false",
    "solutionCloudFlows-limitSharingMode": "noLimit",
    "solutionCloudFlows-maxLimitUserSharing": "-1",
    "bot-authoringSharingDisabled": "false",
    "bot-limitSharingMode": "noLimit",
    "bot-maxLimitUserSharing": "-1",
}

SYSTEM_ADMINISTRATOR = "System Administrator"
SYSTEM_ADMINISTRATOR_TEMPLATE = "627090ff-40a3-4053-8790-584edc5be201"
DATAVERSE_ROLES = (
    SYSTEM_ADMINISTRATOR, "System Customizer", "Environment Maker", "Basic User", "Delegate", "App Opener",
    "Service Reader", "Service Writer",
)  # fmt: skip

API_VERSIONS = (
    "2016-02-01", "2016-11-01", "2018-01-01", "2018-10-01", "2019-05-01", "2019-10-01", "2020-04-01",
    "2020-05-01", "2020-06-01", "2020-08-01", "2020-09-01", "2020-10-01", "2021-03-01", "2021-04-01",
    "2021-07-01", "2022-05-01", "2023-06-01", "2024-05-01", "2026-06-01",
)  # fmt: skip

RBAC_ROLES = {
    "0cb07c69-1631-4725-ab35-e59e001c51ea": "Power Platform owner",
    "ff954d61-a89a-4fbe-ace9-01c367b89f87": "Power Platform contributor",
    "c886ad2e-27f7-4874-8381-5849b8d8a090": "Power Platform reader",
    "95e94555-018c-447b-8691-bdac8e12211e": "Power Platform role-based access control administrator",
}
