"""What the columns of lists of officers and their hours are called in Chinese, and their names in the code."""

LIST = {
    "单位": "unit", "单位名称": "unit", "姓名": "name", "执法证号": "certificate", "证件号": "certificate",
    "证件号码": "certificate", "执法证件号": "certificate", "起": "from", "起始日期": "from", "自": "from", "止": "to",
    "终止日期": "to", "至": "to",
}  # fmt: skip
HOURS = {
    "单位": "unit", "单位名称": "unit", "姓名": "name", "执法证号": "certificate", "证件号": "certificate",
    "证件号码": "certificate", "执法证件号": "certificate", "日期": "date", "培训日期": "date", "主题": "topic",
    "内容": "topic", "培训内容": "topic", "学时": "hours", "学时数": "hours",
}  # fmt: skip
