// Takes the answer to the portal at once; without this file the button does.
document.forms[0].submit();
